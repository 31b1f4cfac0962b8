// What every kind of task's view is given.
import type {Missing} from "./labels";
import type {Draft, Project, Task} from "./types";

export interface WorkProps<L extends Draft> {
  task: Task;
  project: Project;
  label: L;
  change: (patch: Partial<L>) => void;
  announce: (text: string) => void;
  /** What is still to be done before it may be sent. */
  missing: Missing[];
  /** The person has tried to send it: now what is missing is shown. */
  tried: boolean;
  busy: boolean;
  /** The task is over (a correction): no model can be asked. */
  closed?: boolean;
}
