// What the pages of a KV cache hold: a tree in which a page's path from its root is the text that stands before it, so
// that sequences which begin alike use the same pages. Whole pages are shared; of the page where two texts part, the
// second one copies what they have in common. Pages that no sequence uses stay until their room is wanted, the longest
// unused first. Bookkeeping alone: the numbers lie in KvCache.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace loquat {

class PageTree {
 public:
  struct Page {
    int32_t id = -1;              // of KvCache
    std::vector<int32_t> tokens;  // at most page_tokens: those it holds, and those its sequence will compute
    int64_t computed = 0;         // that it holds
    Page* parent = nullptr;
    std::vector<Page*> children;
    int64_t users = 0;      // sequences
    uint64_t last_use = 0;  // when the last of them went
  };

  PageTree(int64_t pages, int64_t page_tokens);
  ~PageTree();

  // Texts under different keys share nothing (tenants, adapters). Made where there is none; stays until another key's
  // is made while there is no page under it.
  Page* root(const std::string& key);

  struct Match {
    std::vector<Page*> whole;    // from the root on: pages that hold the text's beginning, all of each
    Page* partial = nullptr;     // the next one, of which only the first partial_tokens are the text's
    int64_t partial_tokens = 0;  // > 0 with a partial page
    int64_t planned = 0;         // tokens from the beginning on that sequences under way hold or are about to compute
  };
  Match match(Page* root, std::span<const int32_t> text) const;

  void use(Page* page);
  // The last user's tokens that were not computed are forgotten; a page that holds nothing is free at once.
  void release(Page* page);
  // A page for `tokens` after those of `parent` (a root, or a page in use), used once; null where all pages are in use.
  Page* allocate(Page* parent, std::span<const int32_t> tokens);
  // An unused page without children whose first `tokens` are wanted, now used: no copy is needed. Null where others may
  // still want it.
  Page* take_over(Page* page, int64_t tokens);

  int64_t page_tokens() const { return page_tokens_; }
  int64_t pages() const { return static_cast<int64_t>(nodes_.size()); }
  int64_t used() const { return used_; }                                         // by sequences
  int64_t held() const { return pages() - static_cast<int64_t>(free_.size()); }  // with something in them

 private:
  bool is_idle(const Page* page) const { return page->id >= 0 && page->users == 0 && page->children.empty(); }
  void remove(Page* page);

  int64_t page_tokens_;
  std::vector<Page> nodes_;  // by id
  std::vector<int32_t> free_;
  std::set<std::pair<uint64_t, int32_t>> idle_;  // last use and id of unused pages without children
  std::map<std::string, std::unique_ptr<Page>> roots_;
  uint64_t clock_ = 0;
  int64_t used_ = 0;
};

}  // namespace loquat
