export default function SettingsView({params}: {params?: Record<string, string>}) {
  return <h1>SettingsView {JSON.stringify(params ?? {})}</h1>;
}
