// Reads the keys of one JSON object, config.json's or one inside it. The first thing that is wrong is kept; what is
// read after it has no meaning.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace loquat {

class ConfigReader {
 public:
  // `path` stands before keys in messages: "", or "rope_scaling." inside that object.
  ConfigReader(const nlohmann::json& object, std::string file, std::string path = "");

  const Status& status() const { return status_; }
  void fail(const std::string& key, const std::string& expected);
  void fail(const Status& status);  // where it is the first

  bool has(const std::string& key) const;                          // and it is not null
  bool is_null(const std::string& key) const;                      // it is there, as null
  int64_t integer(const std::string& key, int64_t fallback = -1);  // fallback < 0: it must be there
  int64_t positive(const std::string& key, int64_t fallback = -1);
  float number(const std::string& key, float fallback);
  float positive_number(const std::string& key, float fallback);  // fallback <= 0: it must be there
  bool flag(const std::string& key, bool fallback);
  std::string text(const std::string& key, const std::string& fallback);
  int32_t token(
      const std::string& key);  // an id, null, or (Llama 3 and later) a list of ids, of which the first counts
  std::vector<float> positive_numbers(const std::string& key, int64_t count);
  const nlohmann::json& object() const { return object_; }
  const std::string& file() const { return file_; }

 private:
  const nlohmann::json& object_;
  std::string file_, path_;
  Status status_;
};

// The shortest decimal that reads back as this float: 1e-05, not 9.99999974e-06.
double plain_number(float x);

}  // namespace loquat
