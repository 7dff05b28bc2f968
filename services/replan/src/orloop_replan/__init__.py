"""Re-plans a suite on every material trigger (Pyomo and HiGHS)."""
