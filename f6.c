int f6(int x) { int s = 0; for (int i = 0; i < x; i++) s += i * 6 ^ x; return s; }
