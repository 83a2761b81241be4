"""Lists in sentences."""

from lm.base.wording import listed


def test_lists_are_written_as_in_a_sentence():
    assert [listed("abcd"[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert listed([1, 2, 3], "or") == "1, 2 or 3"


def test_a_long_list_names_the_first_and_counts_the_others():
    assert listed("abc", "or", most=3) == "a, b or c"
    assert listed("abcd", "or", most=3) == "a, b, c and 1 more"
    assert listed(range(2_005), most=5) == "0, 1, 2, 3, 4 and 2,000 more"
