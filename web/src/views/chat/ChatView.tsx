export default function ChatView({params}: {params?: Record<string, string>}) {
  return <h1>ChatView {JSON.stringify(params ?? {})}</h1>;
}
