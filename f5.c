int f5(int x) { int s = 0; for (int i = 0; i < x; i++) s += i * 5 ^ x; return s; }
