export default function StudioView({params}: {params?: Record<string, string>}) {
  return <h1>StudioView {JSON.stringify(params ?? {})}</h1>;
}
