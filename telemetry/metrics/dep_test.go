package metrics

import _ "github.com/stretchr/testify/require"
