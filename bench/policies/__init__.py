"""Whether one policy of retraining costs less than another: real streams, real learners, an exact oracle."""
