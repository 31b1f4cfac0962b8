import {describe, expect, it} from "vitest";
import {criteriaOf, fieldsOf, NEW, problemsIn, settingsOf} from "./projectForm";

const good = {...NEW, name: "Ferry answers", models: ["sft"]};

describe("a project's settings", () => {
  it("are whole with a name and a model", () => {
    expect(problemsIn(good)).toEqual({});
    expect(problemsIn(NEW)).toEqual({name: "required", models: "models"});
    expect(problemsIn({...good, kind: "demonstration", models: []})).toEqual({});
  });
  it("keep K between 4 and 9, and numbers whole", () => {
    for (const k of ["3", "10", "4.5", "x"]) expect(problemsIn({...good, k}).k).toBe("range");
    expect(problemsIn({...good, k: ""}).k).toBe("required");
    expect(problemsIn({...good, temperature: ""})).toEqual({});
    expect(problemsIn({...good, temperature: "-1"}).temperature).toBe("range");
  });
  it("come back from a project as they went", () => {
    const settings = settingsOf({...good, gold: "7.5", criteria: "truthful, helpful\nharmless", top_p: ""});
    expect(settings.gold_share).toBeCloseTo(0.075);
    expect(settings.sampling).toEqual({temperature: 1, max_tokens: 512});
    const project = {...settings, id: "p", created: 0, counts: {prompts: 0, open: 0, done: 0, labels: 0}};
    expect(settingsOf(fieldsOf(project))).toEqual(settings);
  });
  it("begin with suggestions only where they are demonstrations", () => {
    expect(settingsOf({...good, kind: "demonstration", prefill: true}).prefill).toBe(true);
    expect(settingsOf({...good, kind: "ranking", prefill: true}).prefill).toBe(false);
  });
  it("take each criterion once", () => expect(criteriaOf("真实、有用, 真实\n\n")).toEqual(["真实", "有用"]));
});
