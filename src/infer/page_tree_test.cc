// The tree of pages: what is shared, what is copied, what goes first when room is wanted.
#include "infer/page_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace loquat {
namespace {

using Page = PageTree::Page;

std::vector<int32_t> count(int32_t from, int32_t n) {
  std::vector<int32_t> tokens(n);
  std::iota(tokens.begin(), tokens.end(), from);
  return tokens;
}

// Pages for all of `text`, computed and released unless it is said to be kept.
std::vector<Page*> hold(PageTree& tree, Page* root, const std::vector<int32_t>& text, bool keep = false) {
  std::vector<Page*> pages = tree.match(root, text).whole;
  for (Page* page : pages) tree.use(page);
  const size_t each = static_cast<size_t>(tree.page_tokens());
  for (size_t at = pages.size() * each; at < text.size(); at += each) {
    const size_t n = std::min(each, text.size() - at);
    Page* page = tree.allocate(pages.empty() ? root : pages.back(), std::span(text).subspan(at, n));
    if (page == nullptr) break;
    page->computed = static_cast<int64_t>(n);
    pages.push_back(page);
  }
  if (!keep) {
    for (size_t i = pages.size(); i-- > 0;) tree.release(pages[i]);
  }
  return pages;
}

TEST(PageTree, FindsWholePagesAndTheBeginningOfTheNext) {
  PageTree tree(8, 4);
  Page* root = tree.root("");
  const auto pages = hold(tree, root, count(0, 10));
  ASSERT_EQ(pages.size(), 3u);
  auto text = count(0, 12);
  text[9] = 99;
  const auto match = tree.match(root, text);
  EXPECT_THAT(match.whole, testing::ElementsAre(pages[0], pages[1]));
  EXPECT_EQ(match.partial, pages[2]);
  EXPECT_EQ(match.partial_tokens, 1);
  EXPECT_EQ(tree.match(root, count(0, 3)).partial_tokens, 3);
  EXPECT_EQ(tree.match(root, count(1, 8)).partial, nullptr);
  EXPECT_TRUE(tree.match(root, {}).whole.empty());
}

TEST(PageTree, KeysShareNothing) {
  PageTree tree(8, 4);
  hold(tree, tree.root("a"), count(0, 8));
  EXPECT_EQ(tree.match(tree.root("a"), count(0, 8)).whole.size(), 2u);
  EXPECT_EQ(tree.match(tree.root("b"), count(0, 8)).whole.size(), 0u);
}

TEST(PageTree, SaysWhatIsUnderWay) {
  PageTree tree(8, 4);
  Page* root = tree.root("");
  Page* first = tree.allocate(root, count(0, 4));
  Page* second = tree.allocate(first, count(4, 3));
  auto match = tree.match(root, count(0, 20));
  EXPECT_TRUE(match.whole.empty());
  EXPECT_EQ(match.planned, 7);
  first->computed = 4;
  second->computed = 2;
  match = tree.match(root, count(0, 20));
  EXPECT_EQ(match.whole.size(), 1u);
  EXPECT_EQ(match.partial_tokens, 2);
  EXPECT_EQ(match.planned, 7);
  tree.release(second);  // its last token was never computed
  tree.release(first);
  EXPECT_EQ(tree.match(root, count(0, 20)).planned, 6);
}

TEST(PageTree, TheLongestUnusedGoesFirstAndLeavesBeforeItsParent) {
  PageTree tree(4, 2);
  Page* root = tree.root("");
  hold(tree, root, count(0, 4));
  hold(tree, root, count(10, 4));
  EXPECT_EQ(tree.held(), 4);
  hold(tree, root, count(0, 4));  // used again
  hold(tree, root, count(20, 2));
  EXPECT_EQ(tree.match(root, count(0, 4)).whole.size(), 2u);
  EXPECT_EQ(tree.match(root, count(10, 4)).whole.size(), 1u);
  EXPECT_EQ(tree.match(root, count(20, 2)).whole.size(), 1u);
}

TEST(PageTree, UsedPagesStay) {
  PageTree tree(3, 2);
  Page* root = tree.root("");
  const auto pages = hold(tree, root, count(0, 6), true);
  EXPECT_EQ(tree.used(), 3);
  EXPECT_EQ(tree.allocate(root, count(50, 2)), nullptr);
  tree.release(pages[2]);
  EXPECT_NE(tree.allocate(root, count(50, 2)), nullptr);
  EXPECT_EQ(tree.match(root, count(0, 6)).whole.size(), 2u);
}

TEST(PageTree, TakesOverWhatNobodyUses) {
  PageTree tree(4, 4);
  Page* root = tree.root("");
  const auto pages = hold(tree, root, count(0, 7));
  EXPECT_EQ(tree.take_over(pages[0], 2), nullptr);  // the other one's beginning
  tree.use(pages[0]);
  ASSERT_EQ(tree.take_over(pages[1], 2), pages[1]);
  EXPECT_THAT(pages[1]->tokens, testing::ElementsAre(4, 5));
  EXPECT_EQ(tree.take_over(pages[1], 2), nullptr);  // in use now
  EXPECT_EQ(tree.used(), 2);
}

TEST(PageTree, NothingComputedIsNothingHeld) {
  PageTree tree(2, 4);
  Page* root = tree.root("");
  tree.release(tree.allocate(root, count(0, 4)));
  EXPECT_EQ(tree.held(), 0);
  EXPECT_EQ(tree.match(root, count(0, 4)).planned, 0);
}

}  // namespace
}  // namespace loquat
