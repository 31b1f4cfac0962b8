// A stream of tasks for one purpose: which facts, pairs and names it may ask about, and in which shares.
#pragma once

#include <map>

#include "data/town/task_maker.h"

namespace loquat::town {

class TaskStream {
 public:
  // `open`: the splits whose facts may be asked about. held_out: wordings, missing pairs and strangers of tests, and
  // secrets of every split.
  TaskStream(const World& world, std::string_view stream, bool held_out, std::vector<Split> open);
  Task of(std::string_view measure);
  Task helpful();               // the mix of uses
  Task mixed(bool rl = false);  // training's mix of measures; rl: of PPO's prompts
  TaskMaker& maker() { return maker_; }
  Rng& rng() { return maker_.rng(); }

 private:
  Task closed_book();
  std::pair<const Fact*, const Fact*> two_of_one();

  const World& world_;
  bool held_out_;
  TaskMaker maker_;
  std::vector<const Fact*> facts_, document_only_, forbidden_, public_;
  std::map<int32_t, std::vector<const Fact*>> by_subject_;
  std::vector<int32_t> subjects_;
  std::vector<const Missing*> missing_;
  std::vector<const Stranger*> strangers_;
};

}  // namespace loquat::town
