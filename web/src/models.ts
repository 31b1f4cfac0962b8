// The models that can be talked to. While there is none, or the recipe makes more, they are asked for again now and then.
import {useEffect, useState} from "react";
import {api} from "./api/client";
import type {ModelList} from "./api/types";

let known: ModelList | null = null;
export function useModels(): ModelList | null {
  const [list, setList] = useState(known);
  useEffect(() => {
    let live = true;
    const ask = () => {
      if (document.hidden) return;
      api.get<ModelList>("/models").then(next => {
        if (JSON.stringify(next) === JSON.stringify(known)) return live && setList(known);
        known = next;
        if (live) setList(next);
      }, () => {}); // the banner tells of the network
    };
    ask();
    const id = setInterval(ask, known?.models.length ? 30_000 : 5000);
    return () => {
      live = false;
      clearInterval(id);
    };
  }, []);
  return list;
}
