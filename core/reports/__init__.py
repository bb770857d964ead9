"""What was found out about versions after they were published: plain records, and the comparisons that fill some.

`training` computes most of them, `service` and the written report read them. Every proportion is on [0, 1] and every
interval is a 95 % interval.
"""
