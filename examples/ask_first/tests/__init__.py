"""Tests of the example, on a server and a policy of their own."""
