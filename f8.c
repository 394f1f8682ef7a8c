int f8(int x) { int s = 0; for (int i = 0; i < x; i++) s += i * 8 ^ x; return s; }
