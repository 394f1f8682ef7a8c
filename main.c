int printf(const char *, ...);
int f1(int);
int f2(int);
int f3(int);
int f4(int);
int f5(int);
int f6(int);
int f7(int);
int f8(int);
int main() { printf("%d\\\\n", f1(10)+f2(20)+f3(30)+f4(40)+f5(50)+f6(60)+f7(70)+f8(80)); }
