import {createRoot} from "react-dom/client";
import {App} from "./App";
import {watchTab} from "./tab";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/ui.css";
import "./styles/shell.css";

watchTab();
createRoot(document.getElementById("root")!).render(<App />);
