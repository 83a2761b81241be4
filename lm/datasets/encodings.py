"""The encodings that a person may choose for a text. Their names are those of Python's codecs."""

GUESS = "guess"
UTF_8 = "utf-8"
REPLACING = "utf-8-replace"  # UTF-8 in which each broken byte is read as U+FFFD
ENCODINGS = (
    GUESS,
    UTF_8,
    REPLACING,
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "utf-32-le",
    "utf-32-be",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "windows-1253",
    "windows-1254",
    "iso-8859-2",
    "iso-8859-15",
    "mac-roman",
    "cp437",
    "cp850",
    "koi8-r",
    "big5",
    "gb18030",
    "euc-jp",
    "shift-jis",
    "euc-kr",
)
