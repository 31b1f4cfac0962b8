// Ctrl-C and a polite kill: the first asks the work to stop where its state can be kept, the second ends the program at
// once.
#pragma once

namespace loquat {

// SIGINT and SIGTERM set the flag; a second one while it is set exits with 128 + the signal. Also keeps a write to a
// closed pipe or past a file size limit from killing the program: such a write reports its error. Call once, at the
// program's start.
void install_signal_handlers();

bool interrupted();      // cheap: one load
void clear_interrupt();  // after the stop was done (chat: the reply has ended)

}  // namespace loquat
