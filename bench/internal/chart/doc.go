// Package chart draws charts as SVG that stand alone: in a browser, in a README,
// on light and on dark ground. Colours tell series apart for the colour-blind too,
// and each line is named at its end.
package chart
