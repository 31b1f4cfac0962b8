// The studio, and the jobs that train on what it made.
export function addStudio(world, route) {
  world.projects = new Map();
  route("GET", "/api/app/projects", ["labeler", "red_teamer", "reviewer"], () => ({projects: [...world.projects.values()]}));
}
