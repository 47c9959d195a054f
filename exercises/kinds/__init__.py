"""Kinds of exercise that do more than look at an answer: predict, train, diagnose."""
