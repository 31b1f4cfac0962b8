// The grammars made last, by what they were made from: whoever sends the same schema with every request has it
// compiled, and its masks worked out, once. From any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "infer/grammar/grammar.h"

namespace loquat::grammar {

class KnownGrammars {
 public:
  using Made = Result<std::shared_ptr<const Grammar>>;
  static constexpr size_t kMost = 8;  // each may hold MaskCache::kMaxBytes

  // The one made of `source`, or what make() gives; an error is not kept.
  Made find_or_make(const std::string& source, const std::function<Made()>& make);

 private:
  std::shared_ptr<const Grammar> find(const std::string& source);

  std::mutex mutex_;
  std::vector<std::pair<std::string, std::shared_ptr<const Grammar>>> known_;  // the last used at the end
};

}  // namespace loquat::grammar
