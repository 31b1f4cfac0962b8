export default function RunView({params}: {params?: Record<string, string>}) {
  return <h1>RunView {JSON.stringify(params ?? {})}</h1>;
}
