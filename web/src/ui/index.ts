export {Button, IconButton} from "./Button";
export {Confirm, Dialog} from "./Dialog";
export {Check, Select, TextArea, TextField} from "./Field";
export {Icon, type IconName} from "./icons";
export {Menu, type MenuItem} from "./Menu";
export {Spinner} from "./Spinner";
export {toast, toastError, Toasts} from "./Toast";
