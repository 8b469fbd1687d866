//! Policy to verdict: a pure function of proven evidence, policy, roots and time.
