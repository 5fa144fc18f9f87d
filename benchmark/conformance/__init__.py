"""The promises of the contract, and the tiny data on which a model is tried."""
