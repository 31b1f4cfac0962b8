// For the town's tests: texts with the names and values of a world masked.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "data/town/attributes.h"
#include "data/town/language.h"
#include "data/town/town.h"

namespace loquat::town {

class Masker {
 public:
  explicit Masker(const World& world) {
    add(world.name);
    for (const Entity& e : world.entities) add_name(e.name, e.kind);
    for (const Stranger& s : world.strangers) add_name(s.name, s.kind);
    for (const Fact& f : world.facts) {
      add(f.value);
      add(split_attribute(f.attribute).detail);
    }
    // Names outside the town: "the Oakham Kettle", "Mara of Oakham".
    for (const Fact& f : world.facts) {
      if (f.attribute != "destination") continue;
      for (const Entity& e : world.entities)
        add(e.kind == "person" ? fmt::format("{} of {}", e.name.substr(0, e.name.find(' ')), f.value)
                               : fmt::format("the {} {}", f.value, e.name.substr(e.name.rfind(' ') + 1)));
    }
    for (int kind = 0; kind <= static_cast<int>(ValueKind::kSecret); ++kind)
      for (const std::string& value : world.values_of(static_cast<ValueKind>(kind))) add(value);
  }

  // The text's words, each name or value as one "_".
  std::vector<std::string> words(std::string_view text) const {
    const std::vector<std::string> raw = words_of(text);
    std::vector<std::string> out;
    for (size_t i = 0; i < raw.size();) {
      size_t length = 0;
      bool owner = false;
      if (const auto it = names_.find(bare(raw[i])); it != names_.end()) {
        for (const std::vector<std::string>& name : it->second) {
          if (i + name.size() > raw.size() || name.size() <= length) continue;
          bool same = true;
          for (size_t j = 0; j < name.size() && same; ++j)
            same = name[j] == (j + 1 == name.size() ? bare(raw[i + j]) : raw[i + j]);
          if (same) {
            length = name.size();
            owner = bare(raw[i + length - 1]) != raw[i + length - 1];
          }
        }
      }
      out.push_back(length == 0 ? raw[i] : owner ? "_'s" : "_");
      i += std::max<size_t>(length, 1);
    }
    return out;
  }

 private:
  static std::string bare(const std::string& word) {
    return word.ends_with("'s") ? word.substr(0, word.size() - 2) : word;
  }
  void add(std::string_view name) {
    std::vector<std::string> words = words_of(name);
    if (words.empty()) return;
    std::vector<std::vector<std::string>>& list = names_[words[0]];
    if (std::find(list.begin(), list.end(), words) == list.end()) list.push_back(words);
  }
  void add_name(const std::string& name, std::string_view kind) {
    add(name);
    if (kind == "person") add(name.substr(0, name.find(' ')));
  }
  std::map<std::string, std::vector<std::vector<std::string>>> names_;
};

}  // namespace loquat::town
