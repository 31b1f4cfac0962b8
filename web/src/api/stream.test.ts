import {describe, expect, it} from "vitest";
import {SseParser, TabStream, type StreamParts} from "./stream";

const wire = 'event: hello\ndata: {"tab":"t"}\n\n: still here\n\nevent: delta\r\ndata: {"content":"ä"}\r\n\r\nid: 4\ndata: a\ndata: b\n\ndata\n\n';
describe("the event parser", () => {
  it("reads the same events from pieces of any size", () => {
    const whole = new SseParser().push(wire);
    expect(whole).toEqual([{event: "hello", data: '{"tab":"t"}'}, {event: "delta", data: '{"content":"ä"}'}, {event: "message", data: "a\nb"}, {event: "message", data: ""}]);
    for (let size = 1; size < 12; ++size) {
      const parser = new SseParser();
      const events = [];
      for (let at = 0; at < wire.length; at += size) events.push(...parser.push(wire.slice(at, at + size)));
      expect(events, `pieces of ${size}`).toEqual(whole);
    }
  });
});

// A network and a clock in the test's hands.
function world() {
  const calls: {path: string; send: (text: string) => void; end: () => void; aborted: () => boolean}[] = [];
  const timers = new Set<{ms: number; f: () => void}>();
  let refuse = 0;
  const parts: StreamParts = {
    fetch: (path, init) => {
      if (refuse) return Promise.resolve(new Response("", {status: refuse}));
      let control!: ReadableStreamDefaultController<Uint8Array>;
      const body = new ReadableStream<Uint8Array>({start: c => { control = c; }});
      init.signal?.addEventListener("abort", () => control.error(new DOMException("", "AbortError")));
      calls.push({path, send: text => control.enqueue(new TextEncoder().encode(text)), end: () => control.close(), aborted: () => init.signal?.aborted ?? false});
      return Promise.resolve(new Response(body));
    },
    delay: (ms, f) => {
      const timer = {ms, f};
      timers.add(timer);
      return () => timers.delete(timer);
    },
  };
  const settle = () => new Promise(resolve => setTimeout(resolve, 5));
  const fire = async (least: number, most: number) => {
    for (const timer of [...timers]) {
      if (timer.ms < least || timer.ms > most) continue;
      timers.delete(timer);
      timer.f();
    }
    await settle();
  };
  return {calls, timers, parts, settle, fire, refuse: (status: number) => { refuse = status; }};
}
const hello = 'event: hello\ndata: {"tab":"t"}\n\n';

describe("the tab's stream", () => {
  it("gives events to who asked for them, and says when it is open", async () => {
    const w = world();
    const stream = new TabStream("a b", w.parts);
    const got: string[] = [];
    stream.on("delta", event => got.push(event.content ?? ""));
    const stop = stream.on("title", event => got.push(event.title));
    stream.open();
    stream.open();
    await w.settle();
    expect(w.calls.map(c => c.path)).toEqual(["/api/app/stream?tab=a%20b"]);
    expect(stream.state).toBe("connecting");
    w.calls[0]!.send(hello + 'event: delta\ndata: {"content":"x"}\n\nevent: title\ndata: {"title":"T"}\n\nevent: delta\ndata: broken\n\n');
    await w.settle();
    stop();
    w.calls[0]!.send('event: title\ndata: {"title":"U"}\n\nevent: nobody\ndata: {}\n\n');
    await w.settle();
    expect(stream.state).toBe("open");
    expect(got).toEqual(["x", "T"]);
  });
  it("comes back, waiting longer each time until it is open again", async () => {
    const w = world();
    const stream = new TabStream("t", w.parts);
    w.refuse(503);
    stream.open();
    await w.settle();
    const waits: number[] = [];
    for (let i = 0; i < 5; ++i) {
      expect(stream.state).toBe("waiting");
      waits.push([...w.timers][0]!.ms);
      await w.fire(0, 30_000);
    }
    for (let i = 1; i < 5; ++i) expect(waits[i]!).toBeGreaterThan(waits[i - 1]!);
    w.refuse(0);
    await w.fire(0, 30_000);
    w.calls[0]!.send(hello);
    await w.settle();
    expect(stream.state).toBe("open");
    w.calls[0]!.end();
    await w.settle();
    expect([...w.timers][0]!.ms).toBeLessThan(1000);
    stream.hurry();
    await w.settle();
    expect(w.calls.length).toBe(2);
  });
  it("gives up a line that died in silence", async () => {
    const w = world();
    const stream = new TabStream("t", w.parts);
    stream.open();
    await w.settle();
    w.calls[0]!.send(hello);
    await w.settle();
    await w.fire(30_000, 60_000);
    expect(w.calls[0]!.aborted()).toBe(true);
    expect(stream.state).toBe("waiting");
  });
  it("stays closed when it is closed", async () => {
    const w = world();
    const stream = new TabStream("t", w.parts);
    stream.open();
    await w.settle();
    stream.close();
    await w.settle();
    expect(stream.state).toBe("closed");
    expect(w.timers.size).toBe(0);
  });
});
