// The state of a stage in the middle of its work, kept so that a killed run continues in the same bytes. Two files take turns
// (state-a, state-b), each with a sequence number and a checksum of its whole content; the newest whole one is used. A damaged
// one is passed over, and the message says so.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace loquat {

struct CheckpointState {
  int64_t step = 0;
  std::map<std::string, std::string> texts;            // RNG states, cursors, JSON: small
  std::map<std::string, std::vector<float>> tensors;   // weights, moments
};

class CheckpointFolder {
 public:
  explicit CheckpointFolder(std::string folder) : folder_(std::move(folder)) {}
  Status save(const CheckpointState& state);
  // step = -1 where there is none yet. `note` (may be null) gets a line for people when a damaged file was passed over.
  Result<CheckpointState> load_newest(std::string* note);
  void remove();  // after the stage has ended

 private:
  std::string folder_;
  int64_t sequence_ = -1;
};

}  // namespace loquat
