// Usage per key and day (UTC), in the database.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "database/database.h"

namespace loquat::serve {

struct KeyUsage {
  int64_t requests = 0;
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  int64_t tokens() const { return prompt_tokens + completion_tokens; }
  KeyUsage& operator+=(const KeyUsage& other);
};

// By key and day since 1970: in one order everywhere, so that servers that write at once do not lock each other out.
using UsageBatch = std::map<std::pair<std::string, int64_t>, KeyUsage>;

// Adds a batch. Batches of one writer are numbered from 1; one that is written already is not added again, so that a
// caller who did not hear whether it was written writes it once more.
Status write_usage(database::Database& database, const std::string& writer, int64_t number, const UsageBatch& batch,
                   int64_t today);
Status forget_writer(database::Database& database, const std::string& writer);

struct UsageRow {
  std::string key_id;
  std::string name;  // "": the key is gone
  int64_t day = 0;
  KeyUsage usage;
};
// From `first_day` on, by day and key.
Result<std::vector<UsageRow>> read_usage(database::Database& database, int64_t first_day);

struct QuotaUse {
  int64_t today = 0, month = 0;  // tokens
};
// Of the keys that have a quota and were used this month.
Result<std::map<std::string, QuotaUse>> read_quota_use(database::Database& database, int64_t today);

}  // namespace loquat::serve
