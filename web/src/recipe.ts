// Whether there is a recipe in this run folder, and whether it runs: asked now and then, so that the navigation knows.
import {useEffect, useState} from "react";

export type RecipeState = "none" | "running" | "ended";
export interface Stage {
  name: string;
  state: string;
  fraction?: number;
  step?: number;
  steps?: number;
  tokens_per_second?: number;
  seconds?: number;
  seconds_left?: number;
  message?: string;
}
export interface Progress {
  state?: string;
  recipe?: string;
  scale?: string;
  seed?: number;
  fraction?: number;
  seconds?: number;
  seconds_left?: number | null;
  message?: string;
  stages?: Stage[];
}

let known: RecipeState = "none";
export async function fetchProgress(): Promise<Progress> {
  const response = await fetch("/api/app/run/progress", {cache: "no-store"});
  if (!response.ok) throw new Error(String(response.status));
  return (await response.json()) as Progress;
}
export function recipeState(progress: Progress): RecipeState {
  const stages = progress.stages ?? [];
  if (!stages.length) return "none";
  return progress.state === "running" || (!progress.state && stages.some(stage => stage.state === "running")) ? "running" : "ended";
}

export function useRecipeState(): RecipeState {
  const [state, setState] = useState(known);
  useEffect(() => {
    let live = true;
    const ask = () => {
      if (document.hidden) return;
      fetchProgress().then(progress => {
        known = recipeState(progress);
        if (live) setState(known);
      }, () => {});
    };
    ask();
    const id = setInterval(ask, 15_000);
    return () => {
      live = false;
      clearInterval(id);
    };
  }, []);
  return state;
}
