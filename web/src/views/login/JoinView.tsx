export default function JoinView({params}: {params?: Record<string, string>}) {
  return <h1>JoinView {JSON.stringify(params ?? {})}</h1>;
}
