// The roles a person has or will have, each with what it lets them do.
import {ROLES, type Role} from "../../api/types";
import {useText} from "../../i18n";
import {people as texts} from "../../i18n/people";

interface Props {
  roles: Role[];
  onChange: (roles: Role[]) => void;
  error?: string;
}
export function RolesField({roles, onChange, error}: Props) {
  const t = useText(texts);
  return (
    <fieldset className="st-choices" data-wanting={error ? "" : undefined}>
      <legend>{t.roles}</legend>
      {ROLES.map(role => (
        <label key={role}>
          <input type="checkbox" checked={roles.includes(role)}
            onChange={e => onChange(ROLES.filter(r => (r === role ? e.target.checked : roles.includes(r))))} />
          <span><b>{t[`role_${role}`]}</b> <small>{t[`role_${role}Text`]}</small></span>
        </label>
      ))}
      {error && <p role="alert" className="st-problem">{error}</p>}
    </fieldset>
  );
}
