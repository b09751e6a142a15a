"""信息查询审批表: access requests, their approval, grants, and the openings made under them."""
