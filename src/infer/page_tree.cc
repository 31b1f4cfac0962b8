// The tree of pages (page_tree.h).
#include "infer/page_tree.h"

#include <algorithm>

#include "base/check.h"

namespace loquat {
namespace {

int64_t common_length(std::span<const int32_t> a, std::span<const int32_t> b) {
  const size_t n = std::min(a.size(), b.size());
  return std::mismatch(a.begin(), a.begin() + n, b.begin()).first - a.begin();
}

}  // namespace

PageTree::PageTree(int64_t pages, int64_t page_tokens) : page_tokens_(page_tokens), nodes_(pages) {
  CHECK(pages >= 1 && page_tokens >= 1, "{} pages of {} tokens", pages, page_tokens);
  for (int64_t id = pages; id-- > 0;) free_.push_back(static_cast<int32_t>(id));
}

PageTree::~PageTree() = default;

PageTree::Page* PageTree::root(const std::string& key) {
  if (const auto found = roots_.find(key); found != roots_.end()) return found->second.get();
  std::erase_if(roots_, [](const auto& entry) { return entry.second->children.empty(); });
  return (roots_[key] = std::make_unique<Page>()).get();
}

PageTree::Match PageTree::match(Page* root, std::span<const int32_t> text) const {
  Match found;
  const Page* at = root;
  std::span<const int32_t> rest = text;
  while (!rest.empty()) {
    Page* best = nullptr;
    int64_t most = 0;
    for (Page* child : at->children) {
      const int64_t common = std::min(common_length(child->tokens, rest), child->computed);
      if (common > most) best = child, most = common;
    }
    if (most == page_tokens_) {
      found.whole.push_back(best);
      at = best;
      rest = rest.subspan(most);
      continue;
    }
    found.partial = best;
    found.partial_tokens = most;
    break;
  }
  found.planned = static_cast<int64_t>(text.size() - rest.size());
  while (!rest.empty()) {
    const Page* next = nullptr;
    int64_t most = 0;
    for (const Page* child : at->children) {
      const int64_t common = common_length(child->tokens, rest);
      if (common > most) next = child, most = common;
    }
    found.planned += most;
    if (most < page_tokens_) break;
    at = next;
    rest = rest.subspan(most);
  }
  return found;
}

void PageTree::use(Page* page) {
  if (page->users++ > 0) return;
  ++used_;
  idle_.erase({page->last_use, page->id});
}

void PageTree::release(Page* page) {
  CHECK(page->users > 0, "page {} is not in use", page->id);
  if (--page->users > 0) return;
  --used_;
  page->tokens.resize(page->computed);
  page->last_use = ++clock_;
  if (!page->children.empty()) return;
  if (page->computed == 0) return remove(page);
  idle_.insert({page->last_use, page->id});
}

PageTree::Page* PageTree::allocate(Page* parent, std::span<const int32_t> tokens) {
  CHECK(static_cast<int64_t>(tokens.size()) <= page_tokens_, "{} tokens for a page of {}", tokens.size(), page_tokens_);
  CHECK(parent->id < 0 || parent->users > 0, "a page that goes on from page {}, which is not in use", parent->id);
  if (free_.empty()) {
    if (idle_.empty()) return nullptr;
    remove(&nodes_[idle_.begin()->second]);
  }
  const int32_t id = free_.back();
  free_.pop_back();
  Page& page = nodes_[id];
  page = Page{};
  page.id = id;
  page.tokens.reserve(page_tokens_);
  page.tokens.assign(tokens.begin(), tokens.end());
  page.parent = parent;
  page.users = 1;
  parent->children.push_back(&page);
  ++used_;
  return &page;
}

PageTree::Page* PageTree::take_over(Page* page, int64_t tokens) {
  if (!is_idle(page)) return nullptr;
  CHECK(tokens <= page->computed, "{} tokens of a page that holds {}", tokens, page->computed);
  use(page);
  page->tokens.resize(tokens);
  page->computed = tokens;
  return page;
}

// From the tree to the free ones. Its parent may now be the next to go.
void PageTree::remove(Page* page) {
  idle_.erase({page->last_use, page->id});
  Page* parent = page->parent;
  std::erase(parent->children, page);
  if (is_idle(parent)) idle_.insert({parent->last_use, parent->id});
  page->parent = nullptr;
  free_.push_back(page->id);
}

}  // namespace loquat
