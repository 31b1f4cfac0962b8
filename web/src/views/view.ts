// What a view is given: what the path's pattern names.
export interface ViewProps {
  params: Record<string, string>;
}
