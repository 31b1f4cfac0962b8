// The studio's texts.
import {area} from "./index";

export const studio = area(
  {title: "Studio"},
  {title: "标注工作室"},
);
