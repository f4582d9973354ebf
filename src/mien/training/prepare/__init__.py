"""From pictures of people to crops that a network is trained on, with what is wrong in them found first."""
