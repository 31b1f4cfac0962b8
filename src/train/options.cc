// Reading and writing the fields of options (options.h).
#include "train/options.h"

#include "data/source.h"

namespace loquat {

void FieldReader::operator()(const char* key, std::string& value, std::initializer_list<const char*> choices) {
  value = settings_.choice(key, value, {choices.begin(), choices.end()});
}

void FieldReader::operator()(const char* key, std::vector<std::string>& value) {
  value = data_paths(settings_, key, value);
}

void FieldWriter::operator()(const char* key, double& value, double, double) {
  text_ += fmt::format("{} = {:.17g}\n", key, value);
}
void FieldWriter::operator()(const char* key, int64_t& value, int64_t, int64_t) {
  text_ += fmt::format("{} = {}\n", key, value);
}
void FieldWriter::operator()(const char* key, bool& value) {
  text_ += fmt::format("{} = {}\n", key, value);
}
void FieldWriter::operator()(const char* key, std::string& value) {
  text_ += fmt::format("{} = \"{}\"\n", key, value);
}
void FieldWriter::operator()(const char* key, std::vector<std::string>& value) {
  text_ += fmt::format("{} = {}\n", key, value.size());
  for (const std::string& item : value) text_ += fmt::format("  {}\n", item);
}

}  // namespace loquat
