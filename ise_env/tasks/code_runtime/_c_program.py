"""A small C program, and what can be wrong with its build."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from ise_env.tasks.draw import Draw

MAKEFILE = """\
CC = gcc
CFLAGS = -std=c11 -Wall -Wextra -Werror -O1 -Isrc
LDLIBS = -lm
OBJECTS = build/main.o build/readings.o build/stats.o build/report.o

all: build/summary

build/summary: $(OBJECTS)
\t$(CC) -o $@ $(OBJECTS) $(LDLIBS)

build/%.o: src/%.c src/*.h
\tmkdir -p build
\t$(CC) $(CFLAGS) -c -o $@ $<

clean:
\trm -rf build

.PHONY: all clean
"""

SOURCES = {
    "src/readings.h": """\
#ifndef READINGS_H
#define READINGS_H

#include <stddef.h>

#define MOST 4096

struct readings {
    size_t count;
    double values[MOST];
};

/* Reads `NAME VALUE` lines; returns 0, or the number of the first line that is none. */
int read_all(const char *path, struct readings *into);

#endif
""",
    "src/readings.c": """\
#include <stdio.h>

#include "readings.h"

int read_all(const char *path, struct readings *into)
{
    char name[64];
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return -1;
    into->count = 0;
    while (into->count < MOST) {
        int got = fscanf(file, "%63s %lf", name, &into->values[into->count]);
        if (got == EOF)
            break;
        if (got != 2) {
            fclose(file);
            return (int)into->count + 1;
        }
        into->count++;
    }
    fclose(file);
    return 0;
}
""",
    "src/stats.h": """\
#ifndef STATS_H
#define STATS_H

#include "readings.h"

double mean(const struct readings *all);
double deviation(const struct readings *all);

#endif
""",
    "src/stats.c": """\
#include <math.h>

#include "stats.h"

double mean(const struct readings *all)
{
    double sum = 0.0;
    for (size_t i = 0; i < all->count; i++)
        sum += all->values[i];
    return all->count ? sum / (double)all->count : 0.0;
}

double deviation(const struct readings *all)
{
    double middle = mean(all), sum = 0.0;
    for (size_t i = 0; i < all->count; i++)
        sum += (all->values[i] - middle) * (all->values[i] - middle);
    return all->count ? sqrt(sum / (double)all->count) : 0.0;
}
""",
    "src/report.h": """\
#ifndef REPORT_H
#define REPORT_H

#include "readings.h"

void report(const struct readings *all);

#endif
""",
    "src/report.c": """\
#include <stdio.h>

#include "report.h"
#include "stats.h"

void report(const struct readings *all)
{
    printf("readings: %zu\\n", all->count);
    printf("mean: %.3f\\n", mean(all));
    printf("deviation: %.3f\\n", deviation(all));
}
""",
    "src/main.c": """\
#include <stdio.h>

#include "readings.h"
#include "report.h"

static struct readings all;

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: summary FILE\\n");
        return 2;
    }
    int bad = read_all(argv[1], &all);
    if (bad != 0) {
        fprintf(stderr, "%s: line %d cannot be read\\n", argv[1], bad);
        return 1;
    }
    report(&all);
    return 0;
}
""",
}


@dataclass(frozen=True)
class Fault:
    """One thing that breaks the build."""

    path: str
    right: str
    broken: str
    says: str
    """Pattern of what the build says then."""


FAULTS = {
    "no libm": Fault("Makefile", "LDLIBS = -lm\n", "LDLIBS =\n", r"undefined reference to .sqrt"),
    "object left out": Fault(
        "Makefile",
        " build/stats.o build/report.o",
        " build/report.o",
        r"undefined reference to .me",
    ),
    "blanks for a tab": Fault(
        "Makefile", "\t$(CC) -o $@", "        $(CC) -o $@", "missing separator"
    ),
    "no prototype": Fault(
        "src/report.h",
        "void report(const struct readings *all);\n",
        "/* see report.c */\n",
        "implicit declaration of function .report",
    ),
    "other signature": Fault(
        "src/stats.h",
        "double deviation(const struct readings *all);",
        "double deviation(const struct readings *all, double around);",
        "conflicting types for .deviation|too few arguments to function .deviation",
    ),
    "comparison of signs": Fault(
        "src/stats.c",
        "    double middle = mean(all), sum = 0.0;\n    for (size_t i",
        "    double middle = mean(all), sum = 0.0;\n    for (int i",
        "comparison of integer expressions of different signedness",
    ),
    "guard of another header": Fault(
        "src/report.h",
        "#ifndef REPORT_H\n#define REPORT_H\n",
        "#ifndef READINGS_H\n#define READINGS_H\n",
        "implicit declaration of function .report|unknown type name",
    ),
}


def readings(d: Draw, count: int) -> tuple[str, list[int]]:
    """A file of readings, and their values in quarters."""
    quarters = [d.integer(40, 400) for _ in range(count)]
    lines = [f"{d.word('towns').replace(' ', '-')} {q / 4:.2f}\n" for q in quarters]
    return "".join(lines), quarters


def summary(quarters: list[int]) -> str:
    """What the program prints for such values."""
    values = [q / 4 for q in quarters]
    middle = sum(values) / len(values)
    spread = sqrt(sum((v - middle) ** 2 for v in values) / len(values))
    return f"readings: {len(values)}\nmean: {middle:.3f}\ndeviation: {spread:.3f}\n"
