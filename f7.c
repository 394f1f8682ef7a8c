int f7(int x) { int s = 0; for (int i = 0; i < x; i++) s += i * 7 ^ x; return s; }
