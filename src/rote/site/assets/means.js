// Means over seeds with 95 % intervals, as rote.analysis.estimators makes them.
"use strict";

rote.NORMAL = 1.959964;
rote.FEW = [12.7062, 4.3027, 3.1824, 2.7764]; // Student's t at 0.975 for 1 to 4 degrees of freedom

// For more of them the first terms of its expansion (Abramowitz and Stegun 26.7.5): 0.2 % at most.
rote.student = (degrees) => {
  if (degrees <= rote.FEW.length) return rote.FEW[degrees - 1];
  const z = rote.NORMAL;
  const terms = [z, (z ** 3 + z) / 4, (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384];
  return terms.reduce((sum, term, power) => sum + term / degrees ** power, 0);
};

// Null for no value; one value, and values that are all equal, have no interval. The mean of
// values between `least` and `most` lies there too.
rote.mean = (values, [least, most] = [-Infinity, Infinity]) => {
  const n = values.length;
  if (!n) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const hasInterval = n > 1 && values.some((value) => value !== values[0]);
  const reach = hasInterval ? rote.student(n - 1) * Math.sqrt(squares / (n - 1) / n) : 0;
  const [low, high] = [Math.max(mean - reach, least), Math.min(mean + reach, most)];
  return { n, mean, low, high, hasInterval };
};
