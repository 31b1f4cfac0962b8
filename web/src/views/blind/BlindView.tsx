export default function BlindView({params}: {params?: Record<string, string>}) {
  return <h1>BlindView {JSON.stringify(params ?? {})}</h1>;
}
