export default function LoginView({params}: {params?: Record<string, string>}) {
  return <h1>LoginView {JSON.stringify(params ?? {})}</h1>;
}
