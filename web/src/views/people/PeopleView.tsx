export default function PeopleView({params}: {params?: Record<string, string>}) {
  return <h1>PeopleView {JSON.stringify(params ?? {})}</h1>;
}
