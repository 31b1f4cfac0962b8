#include "model/config_reader.h"

#include <cmath>
#include <limits>
#include <utility>

namespace loquat {

using nlohmann::json;

ConfigReader::ConfigReader(const json& object, std::string file, std::string path)
    : object_(object), file_(std::move(file)), path_(std::move(path)) {}

void ConfigReader::fail(const std::string& key, const std::string& expected) {
  if (!status_.ok()) return;
  const std::string found = object_.contains(key) ? object_.at(key).dump() : "nothing";
  status_ = Err("{}: \"{}{}\": found {}, expected {}", file_, path_, key, found, expected);
}

void ConfigReader::fail(const Status& status) {
  if (status_.ok()) status_ = status;
}

bool ConfigReader::has(const std::string& key) const {
  return object_.contains(key) && !object_.at(key).is_null();
}

bool ConfigReader::is_null(const std::string& key) const {
  return object_.contains(key) && object_.at(key).is_null();
}

int64_t ConfigReader::integer(const std::string& key, int64_t fallback) {
  if (!has(key) && fallback >= 0) return fallback;
  if (!has(key) || !object_.at(key).is_number_integer()) {
    fail(key, "an integer");
    return 0;
  }
  return object_.at(key).get<int64_t>();
}

int64_t ConfigReader::positive(const std::string& key, int64_t fallback) {
  const int64_t value = integer(key, fallback);
  if (value < 1 || value > std::numeric_limits<int32_t>::max()) fail(key, "a positive integer");
  return value;
}

float ConfigReader::number(const std::string& key, float fallback) {
  if (!has(key)) return fallback;
  if (!object_.at(key).is_number()) {
    fail(key, "a number");
    return fallback;
  }
  return object_.at(key).get<float>();
}

float ConfigReader::positive_number(const std::string& key, float fallback) {
  const float value = number(key, fallback);
  if (!(value > 0) || !std::isfinite(value)) fail(key, "a positive number");
  return value;
}

bool ConfigReader::flag(const std::string& key, bool fallback) {
  if (!has(key)) return fallback;
  if (!object_.at(key).is_boolean()) {
    fail(key, "true or false");
    return fallback;
  }
  return object_.at(key).get<bool>();
}

std::string ConfigReader::text(const std::string& key, const std::string& fallback) {
  if (!has(key)) return fallback;
  if (!object_.at(key).is_string()) {
    fail(key, "a string");
    return fallback;
  }
  return object_.at(key).get<std::string>();
}

int32_t ConfigReader::token(const std::string& key) {
  if (!has(key)) return -1;
  const json* value = &object_.at(key);
  if (value->is_array() && !value->empty()) value = &value->front();
  if (!value->is_number_integer()) {
    fail(key, "a token id or null");
    return -1;
  }
  return static_cast<int32_t>(value->get<int64_t>());
}

std::vector<float> ConfigReader::positive_numbers(const std::string& key, int64_t count) {
  std::vector<float> out;
  const json* list = has(key) ? &object_.at(key) : nullptr;
  bool good = list != nullptr && list->is_array() && static_cast<int64_t>(list->size()) == count;
  for (int64_t i = 0; good && i < count; ++i) {
    const json& value = (*list)[static_cast<size_t>(i)];
    good = value.is_number() && value.get<float>() > 0 && std::isfinite(value.get<float>());
    if (good) out.push_back(value.get<float>());
  }
  if (!good) fail(key, fmt::format("{} positive numbers", count));
  return out;
}

double plain_number(float x) {
  return std::stod(fmt::format("{}", x));
}

}  // namespace loquat
