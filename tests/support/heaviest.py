"""The recipe whose updates take most memory."""

HEAVIEST = {
    "cell": "lstm",
    "hidden_size": 128,
    "samples": 10,
    "shortest": 6,
    "longest": 6,
    "fewest_streams": 8,
    "most_streams": 8,
}
