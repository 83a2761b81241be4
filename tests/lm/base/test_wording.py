"""Lists, counts and numbers in sentences."""

from lm.base.wording import counted, decimal, listed


def test_lists_are_written_as_in_a_sentence():
    assert [listed("abcd"[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert listed([1, 2, 3], "or") == "1, 2 or 3"


def test_a_long_list_names_the_first_and_counts_the_others():
    assert listed("abc", "or", most=3) == "a, b or c"
    assert listed("abcd", "or", most=3) == "a, b, c and 1 more"
    assert listed(range(2_005), most=5) == "0, 1, 2, 3, 4 and 2,000 more"


def test_one_of_a_thing_has_no_s():
    counts = [counted(number, "row") for number in (0, 1, 2, 5_000)]
    assert counts == ["0 rows", "1 row", "2 rows", "5,000 rows"]


def test_decimals_have_thousands_and_no_minus_before_zero():
    assert decimal(450_687_923.0) == "450,687,923.0000"
    assert [decimal(value, 2) for value in (-0.004, -0.006, 0.0)] == ["0.00", "-0.01", "0.00"]
