// Session and people.
import {ALL_ROLES, Fail, freshSettings, newId, now} from "./core.mjs";

export function addPeople(world, route) {
  const add = (id, name, email, roles, password) =>
    world.people.set(id, {id, name, email, roles, password, created: now() - 86400, seen: now(), disabled: false, settings: freshSettings()});
  if (world.mode === "local") {
    add("local", "", "", ALL_ROLES, "");
  } else {
    add("p-ann", "Ann", "ann@example.org", ["user", "admin"], "correct horse");
    add("p-bo", "Bo", "bo@example.org", ["user"], "correct horse");
    add("p-li", "李雷", "li@example.org", ["user", "labeler", "red_teamer"], "correct horse");
    add("p-rev", "Rui", "rui@example.org", ["user", "reviewer"], "correct horse");
  }
  const shown = ({id, name, email, roles, created, seen, disabled}) => ({id, name, email, roles, created, seen, disabled});
  const signIn = (response, person) => {
    const token = newId();
    world.sessions.set(token, {person: person.id, csrf: newId()});
    response.writeHead(204, {"Set-Cookie": `loquat_session=${token}; HttpOnly; SameSite=Strict; Path=/`}).end();
  };
  const audit = (person, action, object, detail = {}) =>
    world.audit.unshift({id: newId(), time: now(), person: person.id, name: person.name, action, object, detail});

  route("GET", "/api/app/session", "anyone", ({session}) => ({
    mode: world.mode,
    person: session ? {id: session.person.id, name: session.person.name, email: session.person.email, roles: session.person.roles} : null,
    settings: session ? session.person.settings : freshSettings(), csrf: session?.csrf ?? "", oidc: world.oidc ?? null,
  }));
  let failures = 0;
  route("POST", "/api/app/login", "anyone", ({body, response}) => {
    if (failures >= 5) throw new Fail(429, "too_many", "Too many tries. Wait a minute.", null, 60);
    const person = [...world.people.values()].find(p => p.email === body.email && p.password === body.password && !p.disabled);
    if (!person) {
      ++failures;
      throw new Fail(401, "wrong_password", "The e-mail address or the password is wrong.");
    }
    failures = 0;
    signIn(response, person);
  });
  route("POST", "/api/app/logout", "signed_in", ({session}) => void world.sessions.delete(session.token));
  route("POST", "/api/app/join", "anyone", ({body, response}) => {
    const invitation = [...world.invitations.values()].find(i => i.secret === body.invitation && !i.used);
    if (!invitation) throw new Fail(404, "not_found", "This invitation is not valid, or it was used or has expired.");
    if ((body.password ?? "").length < 10) throw new Fail(400, "bad_value", "A password has at least 10 characters.", "password");
    const id = newId();
    add(id, body.name, body.email, invitation.roles, body.password);
    invitation.used = now();
    signIn(response, world.people.get(id));
  });
  route("POST", "/api/app/password", "signed_in", ({body, person}) => {
    if (body.old !== person.password) throw new Fail(400, "wrong_password", "The old password is wrong.", "old");
    if (body.new.length < 10) throw new Fail(400, "bad_value", "A password has at least 10 characters.", "new");
    person.password = body.new;
  });
  route("PATCH", "/api/app/settings", "signed_in", ({body, person}) => Object.assign(person.settings, body));
  route("GET", "/api/app/people", ["admin"], () => ({people: [...world.people.values()].map(shown)}));
  const find = id => {
    const person = world.people.get(id);
    if (!person) throw new Fail(404, "not_found", "There is no such person.");
    return person;
  };
  route("PATCH", "/api/app/people/{id}", ["admin"], ({params, body, person}) => {
    const other = find(params.id);
    for (const key of ["roles", "disabled", "name"]) if (key in body) other[key] = body[key];
    audit(person, "person.change", other.id, body);
    return shown(other);
  });
  route("POST", "/api/app/people/{id}/erase", ["admin"], ({params, person}) => {
    const other = find(params.id);
    const own = [...world.conversations.values()].filter(c => c.owner === other.id);
    own.forEach(c => world.conversations.delete(c.id));
    world.people.delete(other.id);
    audit(person, "person.erase", other.id);
    return {conversations: own.length, labels: 0, datasets: [{hash: "d41d8c", name: "first round"}], models: ["round-1"]};
  });
  const invitationShown = ({secret, ...rest}) => rest;
  route("GET", "/api/app/invitations", ["admin"], () => ({invitations: [...world.invitations.values()].map(invitationShown)}));
  route("POST", "/api/app/invitations", ["admin"], ({body, request, person}) => {
    const id = newId(), secret = newId();
    const days = body.days ?? 7;
    world.invitations.set(id, {id, secret, email: body.email ?? "", roles: body.roles ?? ["user"], days, note: body.note ?? "", created: now(), expires: now() + days * 86400, used: null});
    audit(person, "invitation.make", id);
    return {...invitationShown(world.invitations.get(id)), link: `http://${request.headers.host}/join/${secret}`};
  });
  route("DELETE", "/api/app/invitations/{id}", ["admin"], ({params}) => {
    if (!world.invitations.delete(params.id)) throw new Fail(404, "not_found", "There is no such invitation.");
  });
  route("GET", "/api/app/audit", ["admin"], ({query}) => {
    const entries = world.audit.filter(e => (!query.get("action") || e.action === query.get("action")) && (!query.get("person") || e.person === query.get("person")));
    return {entries: entries.slice(0, 50), more: entries.length > 50};
  });
}
