"""How networks learn: training on varied examples, from a teacher, and in int8; what they learn of anomalies."""
