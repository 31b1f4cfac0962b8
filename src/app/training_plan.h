// What "train on these" runs: the recipe's steps, sized for the few judgments that a team's people make in a day rather
// than for a paper's thousands, and at the end the new model beside the last one on the data set's own prompts.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "jobs/jobs.h"
#include "serve/api_error.h"

namespace loquat::app {

struct TrainingWanted {
  std::string dataset;             // its hash
  std::string dataset_folder;      // with demonstrations.jsonl, rankings.jsonl, prompts.jsonl: those that have rows
  std::string run_folder;          // whose models/ has the base and gets the new model
  std::string base;                // a model's id
  std::string name;                // the new model's id
  std::vector<std::string> steps;  // of "sft", "reward", "dpo", "ppo": done in this order
  std::string person;              // who asked
};

// An error (400, 409) says which value is wrong: an unknown step, a base that is not there, a name that is taken, a
// step whose data the data set has not.
std::variant<jobs::Plan, serve::ApiError> training_plan(const TrainingWanted& wanted);

// Of a model of so many bytes of weights: small models want large steps (1e-4 of 3 million parameters, 2e-6 of 7
// billion).
double tuning_rate(int64_t weight_bytes);

}  // namespace loquat::app
