import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/ui.css";
import "./styles/shell.css";
import {createRoot} from "react-dom/client";
import {App} from "./App";
import {watchTab} from "./tab";

watchTab();
createRoot(document.getElementById("root")!).render(<App />);
